// Package model says what a look at the machine means. A Sample is what the
// collectors read; New turns it into a Snapshot: sums, attribution, costs and
// limits. The package does no I/O, and a Snapshot never changes, so that the
// screen, the JSON and the text report all show the same picture.
package model
