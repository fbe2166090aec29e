// Package verify checks what Probity hands out: receipts for a consent choice, certificates of an
// erasure or a rectification, and bundles of both. It needs nothing but the file, and the public
// key of the organisation's log if the reader has it from elsewhere. It reads no network and no
// clock, and depends on the standard library and golang.org/x/mod alone.
//
// # What is proved
//
// Each organisation keeps one append-only transparency log. A leaf of that log is a line of text
//
//	v1|<kind>|<minutes since 1970>|<base64 of the commitment>
//
// where the commitment is SHA-256("probity/ledger/leaf/v1\x00" ‖ salt ‖ entry), salt is 32 random
// bytes and entry is the canonical JSON (RFC 8785) of what was recorded. A receipt holds the entry,
// its salt and a proof (C2SP tlog-proof@v1) that the leaf is part of the tree whose root a signed
// checkpoint (C2SP tlog-checkpoint, an Ed25519 signed note) states. Whoever keeps a checkpoint can
// later tell whether anything below it was changed, dropped, reordered or inserted.
//
// # What is not proved
//
// That a person, and not a script, pressed the button; that the operator recorded everything that
// happened; and, when no key from elsewhere is given, that the key in the file is the operator's.
// The Report says so in words.
package verify
