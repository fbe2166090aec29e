//go:build !race

package vault_test

// raced tells whether the race detector watches.
const raced = false
