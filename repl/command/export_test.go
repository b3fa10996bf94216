package command

// What tests call of a run command.
var (
	Spec   = (*Run).spec
	Secret = (*Run).secret
)
