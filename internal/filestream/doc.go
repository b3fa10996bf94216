// Package filestream carries the content of a push from the operator to any number of
// hosts. The operator publishes it once, in chunks, to a stream queue (RabbitMQ 3.9 and
// later); each agent reads the stream from its own offset, and continues at that offset
// after a loss of its connection. Sender and Receiver have a connection of their own, so
// that content does not delay requests, replies and heartbeats. Where the broker refuses
// streams, a HostSender publishes the content to the queue of each host instead.
//
// Each chunk is sealed with ChaCha20-Poly1305. The key is random for each content and
// travels in the secret of the request. The nonce has the index of the chunk, so that a
// receiver notices a chunk that is altered, repeated, exchanged or foreign, and ignores it.
package filestream
