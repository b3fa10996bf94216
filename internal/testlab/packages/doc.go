// Package packages tests the Debian packages in folders with a Debian of their own: see
// .ci/packages.
package packages
