package datamap

// The masking strategies.
const (
	Null             = "null"
	Redact           = "redact"
	Hash             = "hash"
	HMAC             = "hmac"
	Delete           = "delete"
	Pseudonymise     = "pseudonymise"
	Random           = "random"
	Constant         = "constant"
	FormatPreserving = "format_preserving"
)

func masked(string) bool { return false }
