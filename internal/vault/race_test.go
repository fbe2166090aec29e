//go:build race

package vault_test

// raced: the race detector makes pools forget at random, so allocations can't be counted.
const raced = true
