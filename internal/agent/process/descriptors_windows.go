package process

// CloseInheritedOnExec does nothing: a Windows process inherits only the handles that
// its start names.
func CloseInheritedOnExec() {}
