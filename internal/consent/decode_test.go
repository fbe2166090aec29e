package consent

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"probity/internal/fail"
)

const (
	choiceBody = `{"deployment":"5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d","nonce":"abc","visitor":null,
		"purposes":{"measure":true,"actions":false},
		"ui":{"component":"banner","action":"save","dwell_ms":1200,"trusted":true,"viewport":"m"},
		"client_time":"2026-11-22T13:00:00+01:00"}`
	withdrawalBody = `{"deployment":"5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d","visitor":"0b0c5f2e-7b70-4a35-8a5a-3c54a1f8b111",
		"purposes":["measure"],"ui":{"component":"link","action":"withdraw_all","dwell_ms":0,"trusted":true},
		"client_time":"2026-11-22T12:00:00Z"}`
)

func TestDecodeChoice(t *testing.T) {
	c, err := DecodeChoice([]byte(choiceBody))
	if err != nil {
		t.Fatal(err)
	}
	if c.Deployment != uuid.MustParse("5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d") || c.Nonce != "abc" || c.Visitor != nil ||
		!c.Purposes["measure"] || c.Purposes["actions"] || len(c.Purposes) != 2 ||
		c.UI != (UI{"banner", "save", 1200, true, "m"}) || !c.ClientTime.Equal(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", c)
	}
	if c.GPC || c.DNT {
		t.Error("the body set a signal")
	}
}

func TestDecodeChoiceRefusesAnythingElseAndNamesTheField(t *testing.T) {
	for _, c := range []struct {
		name, old, new, field string
	}{
		{"a deployment that is no UUID", `5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d`, `{x}`, "deployment"},
		{"no deployment", `"deployment":"5d1f3a52-5a8e-4c34-9a3e-0d6f6a1c2b3d",`, ``, "deployment"},
		{"a number as nonce", `"abc"`, `7`, "nonce"},
		{"no nonce", `"nonce":"abc",`, ``, "nonce"},
		{"a visitor in braces", `"visitor":null`, `"visitor":"{0b0c5f2e-7b70-4a35-8a5a-3c54a1f8b111}"`, "visitor"},
		{"a visitor that is a number", `"visitor":null`, `"visitor":1`, "visitor"},
		{"purposes as a list", `{"measure":true,"actions":false}`, `["measure"]`, "purposes"},
		{"a purpose that is neither yes nor no", `"measure":true`, `"measure":"yes"`, "purposes"},
		{"a purpose that is null", `"measure":true`, `"measure":null`, "purposes"},
		{"no purposes", `{"measure":true,"actions":false}`, `{}`, "purposes"},
		{"no word on how it was made", `"ui":{"component":"banner","action":"save","dwell_ms":1200,"trusted":true,"viewport":"m"},`, ``, "ui"},
		{"an unknown action", `"save"`, `"scroll"`, "ui.action"},
		{"an unknown component", `"banner"`, `"popup"`, "ui.component"},
		{"a fraction of a millisecond", `1200`, `1200.5`, "ui.dwell_ms"},
		{"a dwell time beyond a day", `1200`, `99999999999`, "ui.dwell_ms"},
		{"a time that is none", `2026-11-22T13:00:00+01:00`, `yesterday`, "client_time"},
		{"no time", `,
		"client_time":"2026-11-22T13:00:00+01:00"`, ``, "client_time"},
		{"an unknown member", `"nonce"`, `"extra":1,"nonce"`, ""},
		{"a member in capitals", `"nonce"`, `"Nonce"`, ""},
		{"a member twice", `"nonce":"abc"`, `"nonce":"abc","nonce":"def"`, ""},
		{"a purpose twice", `"measure":true`, `"measure":true,"measure":false`, ""},
		{"not JSON", `{"deployment"`, `deployment`, ""},
		{"invalid UTF-8", `abc`, "\xff", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := strings.Replace(choiceBody, c.old, c.new, 1)
			if body == choiceBody {
				t.Fatal("the case changes nothing")
			}
			_, err := DecodeChoice([]byte(body))
			e, ok := errors.AsType[*fail.Error](err)
			if !ok || e.Kind != fail.Invalid || e.Field != c.field {
				t.Errorf("got %#v", err)
			}
		})
	}
	if _, err := DecodeChoice([]byte(strings.Repeat(" ", MaxBody) + choiceBody)); !fail.Is(err, fail.TooLarge) {
		t.Errorf("a body that is too large: %v", err)
	}
}

func TestDecodeWithdrawal(t *testing.T) {
	w, err := DecodeWithdrawal([]byte(withdrawalBody))
	if err != nil || len(w.Purposes) != 1 || w.Purposes[0] != "measure" || w.UI.Component != "link" || w.Visitor == uuid.Nil {
		t.Fatalf("got %+v, %v", w, err)
	}
	all, err := DecodeWithdrawal([]byte(strings.Replace(withdrawalBody, `"purposes":["measure"],`, ``, 1)))
	if err != nil || all.Purposes != nil {
		t.Errorf("without purposes: %+v, %v", all, err)
	}
	for _, c := range []struct{ name, old, new, field string }{
		{"an empty list", `["measure"]`, `[]`, "purposes"},
		{"purposes as an object", `["measure"]`, `{"measure":true}`, "purposes"},
		{"no visitor", `"visitor":"0b0c5f2e-7b70-4a35-8a5a-3c54a1f8b111",`, ``, "visitor"},
		{"a visitor that is none", `0b0c5f2e-7b70-4a35-8a5a-3c54a1f8b111`, `me`, "visitor"},
		{"an unknown member", `"visitor"`, `"reason":"x","visitor"`, ""},
	} {
		_, err := DecodeWithdrawal([]byte(strings.Replace(withdrawalBody, c.old, c.new, 1)))
		if e, ok := errors.AsType[*fail.Error](err); !ok || e.Kind != fail.Invalid || e.Field != c.field {
			t.Errorf("%s: %#v", c.name, err)
		}
	}
}

func TestADecodingErrorNeverRepeatsWhatWasSent(t *testing.T) {
	for _, body := range []string{
		strings.Replace(choiceBody, `"measure":true`, `"walrus@example.org":"x"`, 1),
		strings.Replace(choiceBody, `"nonce"`, `"walrus@example.org":1,"nonce"`, 1),
		strings.Replace(choiceBody, `"abc"`, `["walrus@example.org"]`, 1),
	} {
		_, err := DecodeChoice([]byte(body))
		if err == nil || strings.Contains(err.Error(), "walrus") {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzDecodeChoice(f *testing.F) {
	f.Add([]byte(choiceBody))
	f.Add([]byte(withdrawalBody))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := DecodeChoice(body)
		if err != nil {
			if k := fail.KindOf(err); k != fail.Invalid && k != fail.TooLarge {
				t.Fatalf("the error is %v", err)
			}
			return
		}
		if c.Deployment == uuid.Nil && !strings.Contains(string(body), uuid.Nil.String()) || c.Nonce == "" || len(c.Purposes) == 0 || c.ClientTime.IsZero() {
			t.Fatalf("an incomplete choice was accepted: %+v", c)
		}
	})
}

func FuzzDecodeWithdrawal(f *testing.F) {
	f.Add([]byte(withdrawalBody))
	f.Add([]byte(choiceBody))
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := DecodeWithdrawal(body)
		if err != nil {
			if k := fail.KindOf(err); k != fail.Invalid && k != fail.TooLarge {
				t.Fatalf("the error is %v", err)
			}
			return
		}
		if w.Purposes != nil && len(w.Purposes) == 0 || !w.Subject.IsZero() || w.ClientTime.IsZero() {
			t.Fatalf("an incomplete withdrawal was accepted: %+v", w)
		}
	})
}
