package model

// ruleMemory is what rules remember between looks beyond the findings themselves.
type ruleMemory struct{}

// begin takes in a look before the rules judge it, end afterwards.
func (m *ruleMemory) begin(*ruling) {}
func (m *ruleMemory) end(*ruling)   {}
