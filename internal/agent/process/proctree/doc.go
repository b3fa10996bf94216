// Package proctree finds the processes of one command and ends them. A command may
// start others, move them to other sessions and groups, and lose their parent: a Tree
// proves by descent, session, cgroup, and a mark in the environment which processes
// belong to it. Nothing else is signaled.
//
// The package also bounds the threads that starts and scans take, because the Go
// runtime ends a program that cannot create one.
package proctree
