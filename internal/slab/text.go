package slab

// Fields are separated by spaces, as the kernel's printf formats pad them.

func cutField(b []byte) (field, rest []byte) {
	i := 0
	for i < len(b) && b[i] == ' ' {
		i++
	}
	j := i
	for j < len(b) && b[j] != ' ' {
		j++
	}
	return b[i:j], b[j:]
}

func cutLastField(b []byte) (rest, field []byte) {
	j := len(b)
	for j > 0 && b[j-1] == ' ' {
		j--
	}
	i := j
	for i > 0 && b[i-1] != ' ' {
		i--
	}
	return b[:i], b[i:j]
}

func firstField(b []byte) string {
	field, _ := cutField(b)
	return string(field)
}

func isNumber(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// parseUint parses decimal digits. why is empty when it could.
func parseUint(b []byte, limit uint64) (n uint64, why string) {
	if !isNumber(b) {
		return 0, "not a number"
	}
	for _, c := range b {
		d := uint64(c - '0')
		if d > limit || n > (limit-d)/10 {
			return 0, "number too large"
		}
		n = n*10 + d
	}
	return n, ""
}
