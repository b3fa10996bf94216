// Package render prints: the results of a task as a report, as a live view, as a stream of
// lines, as JSON documents or records, as raw bytes or files, and tables of tasks and
// agents. A Printer reads the store and writes to the console. What a host sent goes to a
// terminal made visible and indented, so that no host can speak for another or for Warren.
package render
