// Package signing signs an operator's statements with an SSH key: SSHSIG
// (OpenSSH's PROTOCOL.sshsig), SHA-512, in the namespace of the fleet.
//
// Choose finds the key and asks for nothing. Unlock asks for the passphrase, if
// one is needed. Sign may then be called by any number of goroutines. The
// package keeps the key in memory and writes it nowhere. It opens a new connection to
// ssh-agent for each request, and starts nothing.
//
// Which key (Options.Identity):
//   - a private key file. Where it is encrypted, or its key lives on a security
//     key, and ssh-agent holds the same key, ssh-agent signs;
//   - a public key file: the key of that name in ssh-agent;
//   - "none": statements go unsigned;
//   - nothing: the first key of ssh-agent that can sign, else the first of
//     ~/.ssh/id_ed25519, ~/.ssh/id_ecdsa and ~/.ssh/id_rsa that exists.
//
// A user certificate of the key, valid now, takes the key's place in the
// signature: FILE-cert.pub beside the key file, else one in ssh-agent.
package signing
