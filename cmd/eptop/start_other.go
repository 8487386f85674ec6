//go:build !linux || !(amd64 || arm64)

package main

// stdoutFlags is not known here.
const stdoutFlags = 0
