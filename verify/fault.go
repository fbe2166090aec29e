package verify

import (
	"errors"
	"fmt"
)

// Reason names what is wrong with a file. Its text is stable: programs may compare it.
type Reason string

// The reasons for which a file fails.
const (
	Malformed     Reason = "malformed"      // not a file of ours, or a field is missing, unknown or of the wrong type
	BadKey        Reason = "bad key"        // the verifier key can't be read
	WrongKey      Reason = "wrong key"      // the file's key is not one of those the reader trusts
	BadSignature  Reason = "bad signature"  // a signature does not fit the key or the text
	BadCheckpoint Reason = "bad checkpoint" // signed, but not a checkpoint
	OtherLog      Reason = "other log"      // parts of the file belong to different logs
	EditedEntry   Reason = "edited entry"   // entry or salt do not fit the commitment in the log
	BadProof      Reason = "bad proof"      // the leaf is not in the tree of the checkpoint
	EditedNotice  Reason = "edited notice"  // the notice text is not the one the entry cites
	EditedBody    Reason = "edited body"    // a certificate's body is not the one that was signed or logged
	Incomplete    Reason = "incomplete"     // an entry that must be there is missing, or counts don't add up
	BadOrder      Reason = "bad order"      // an entry is dated or cited before what it follows
	SplitView     Reason = "split view"     // the log signed two trees that can't both be true
	WrongPeriod   Reason = "wrong period"   // a key signed what was not in its period
	NotWitnessed  Reason = "not witnessed"  // too few of the reader's witnesses signed a checkpoint
)

// Error says why a file can't be relied on.
type Error struct {
	Reason Reason
	Detail string // for a person
}

// Error returns the reason and the detail.
func (e *Error) Error() string { return string(e.Reason) + ": " + e.Detail }

// ReasonOf returns the reason of a verification error, the empty reason if err is none.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func fault(r Reason, format string, args ...any) error {
	return &Error{Reason: r, Detail: fmt.Sprintf(format, args...)}
}
