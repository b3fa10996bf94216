// Package outbox decides which reply the agent sends next, and what follows from the
// broker's verdict on it. A reply queue that follows a job gets a stream: that the job was
// accepted or has started, its output in order, and its end once the output is confirmed.
//
// It is pure state, owned by the agent loop: no goroutine, channel, context, clock or file.
// It knows where output is kept, and leaves it to the loop to read the output and to build
// the publication.
package outbox
