package process

// KeepDescriptors has nothing to do on Windows: a process there gets the handles
// only that its start names.
func KeepDescriptors() {}
