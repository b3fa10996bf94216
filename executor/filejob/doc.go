// Package filejob runs a push or a collect as a job. The job's process is this program
// itself (Helper), so that the file engine runs as the user of the job, can be canceled, and
// is accounted for like any command. The agent passes the request and the content to its
// standard input; its standard output is the output of the job.
//
// A push whose manifest is in the request runs the helper twice at most: the first run
// compares, and asks by its exit code for the content if the host does not have it. Only
// then does the agent open the operator's stream.
package filejob
