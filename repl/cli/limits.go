package cli

import (
	"time"

	"warren/internal/operator/model"
	"warren/internal/wire"
	"warren/repl/term"
)

const (
	// MaxBody is how many bytes of a request may go to what the command line gives in bulk
	// (script and stdin, encoded). The rest of wire.MaxRequest is left to the command, its
	// environment, the leaf with its path, and the signature.
	MaxBody = wire.MaxRequest - 512<<10

	// maxWhenOnline is how long the broker keeps an inbox without a consumer.
	maxWhenOnline = 30 * 24 * time.Hour
)

// ToSend is for files that travel in a request: no more than could be sent.
var ToSend = InputFile{
	Most: MaxBody * 3 / 4, TooLarge: "too large to send", Smaller: "copy the file to the hosts in another way, or let them download it",
}

// CheckLimits refuses at once what the hosts would refuse later.
func CheckLimits(spec *model.Spec) error {
	run := &spec.Run
	bulk := Encoded(run.Script) + Encoded(run.Stdin)
	small := len(run.Command)
	for _, s := range append(run.Argv, run.Env...) {
		small += len(s)
	}
	switch {
	case len(run.Command) > wire.MaxArg:
		return Usage("send it as a file, with --script", "the command has %d bytes; the limit is %d", len(run.Command), wire.MaxArg)
	case bulk > MaxBody || small > 256<<10:
		return Usage("copy the file to the hosts in another way, or let them download it",
			"the request is too large: the limit is %s for script and stdin together, and 256.0 KiB for command, arguments and environment", term.Size(MaxBody*3/4))
	case spec.WhenOnline && spec.StartTimeout > maxWhenOnline:
		return Usage("", "--when-online: %s exceeds the limit of %s", term.Duration(spec.StartTimeout), term.Duration(maxWhenOnline))
	case run.Timeout() > wire.MaxTimeout:
		return Usage("", "--timeout: %s exceeds the limit of %s", term.Duration(run.Timeout()), term.Duration(wire.MaxTimeout))
	case run.MaxOutput > wire.MaxMaxOutput && run.Collect == nil:
		return Usage("", "--max-output: %s exceeds the limit of %s", term.Size(run.MaxOutput), term.Size(wire.MaxMaxOutput))
	}
	return nil
}

// Encoded is the length of b in base64.
func Encoded(b []byte) int { return (len(b) + 2) / 3 * 4 }
