// Package windows runs the programs for Windows under wine, with those for Linux and a
// real RabbitMQ. It holds tests only; .ci/windows runs them.
package windows
