package main

import (
	"os"
	"regexp"
	"strconv"
)

// resident reads one of the kernel's figures about this process's memory, in MiB.
func resident(name string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(found[1]))
	return float64(kib) / 1024
}
