// Package bench measures Warren against the floor, which is what AMQP itself
// costs (internal/testlab/bench/floor), on one RabbitMQ in one run.
//
// Each part of a measurement is a process of its own: the broker, the floor's
// client and agents, Warren's operator and agents. Floor and Warren take turns,
// round by round, so that what disturbs the machine disturbs both; what is
// reported is the median with the least and the most. Between two turns all
// parts come to rest.
//
// docs/performance.md says what each row means.
package bench
