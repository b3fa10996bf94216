// Package hostile holds an agent against those who may write into its queue: a
// table of requests that must not be obeyed, each with the refusal that is due,
// sent to a live agent through a real RabbitMQ. It holds tests only.
package hostile
