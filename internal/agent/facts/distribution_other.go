//go:build !linux

package facts

import "github.com/shirou/gopsutil/v4/host"

// distribution is the product and its version: "Microsoft Windows 11 Pro",
// "darwin".
func distribution() (name, version string) {
	name, _, version, err := host.PlatformInformation()
	if err != nil {
		return "", ""
	}
	return name, version
}
