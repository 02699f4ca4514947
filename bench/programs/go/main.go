// A small program, for the compiler.
package main

import (
	"os"
	"sort"
	"strconv"
	"strings"
)

func main() {
	counts := map[string]int{}
	for _, word := range strings.Fields(strings.Join(os.Args[1:], " ")) {
		counts[strings.ToLower(word)]++
	}
	words := make([]string, 0, len(counts))
	for word := range counts {
		words = append(words, word)
	}
	sort.Strings(words)
	for _, word := range words {
		os.Stdout.WriteString(word + " " + strconv.Itoa(counts[word]) + "\n")
	}
}
