// Package packages tests the packages for Linux, and the commands of the pages about
// installation, upgrade, backup and rotation, in folders with a Debian that runs under a
// systemd of its own: see .ci/packages.
package packages
