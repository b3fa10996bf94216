// Package result prepares the results of a task for display: it selects the jobs to show,
// groups jobs with the same result, follows a task in progress, and has the words for the
// states of jobs and tasks. It reads only what a Tracker queries from the store, and prints
// nothing.
package result
