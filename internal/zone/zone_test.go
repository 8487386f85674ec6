package zone

import (
	"fmt"
	"slices"
	"strings"
)

// formatList prints a list as the kernel's "%*pbl" does.
func formatList(list []int) string {
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(list[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", list[i], list[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// sorted returns the ascending list of the given numbers, each once.
func sorted(list []int) []int {
	list = slices.Sorted(slices.Values(list))
	return slices.Compact(list)
}
