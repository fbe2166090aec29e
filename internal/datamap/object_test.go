package datamap

import (
	"encoding/json"
	"testing"
)

func TestAResultIsWrittenAsItsFieldsSay(t *testing.T) {
	key := json.RawMessage(`{"id":"<7>"}`)
	shared := []Shared{{Collection: "d:a", Key: key, Owners: 2}, {Collection: "d:b", Key: json.RawMessage(`{}`), Owners: 3, Withheld: []string{"x"}}}
	erased := &Erased{
		Masked: map[string]int{"d:b": 2, "d:a": 1}, Deleted: map[string]int{}, Skipped: shared, Unmaskable: []Unmaskable{{"d:a", "f", "why & how"}},
		Substituted: []Substituted{{"d:a", "f", Hash, Null}}, Unreachable: []string{"d:c"}, Verified: true, Fields: []FieldCount{{"d:a", "f", Hash, 1}},
	}
	type plainErased Erased
	expect(t, "an erasure", jsonOf(t, erased), jsonOf(t, (*plainErased)(erased)))
	expect(t, "an empty erasure", jsonOf(t, &Erased{}), `{"masked":{},"deleted":{},"skipped_shared":[],"unmaskable":[],"substituted":[],"unreachable":[],"verified":false}`)
	rectified := &Rectified{
		Changed: []Changed{{"d:a", "f", 2}}, Skipped: shared[:1], Refused: []Refused{{"d:a", "f", "why"}}, Verified: true,
	}
	defer rectified.Close()
	rectified.records.add([]byte(jsonOf(t, Corrected{"d:a", key, "f", "email"})))
	rectified.records.add([]byte(jsonOf(t, Corrected{"d:a", key, "g", "email"})))
	for range 2 {
		expect(t, "a correction", jsonOf(t, rectified), `{"changed":[{"collection":"d:a","field":"f","rows":2}],"records":[{"collection":"d:a","key":{"id":"\u003c7\u003e"},"field":"f","kind":"email"},{"collection":"d:a","key":{"id":"\u003c7\u003e"},"field":"g","kind":"email"}],`+
			`"skipped_shared":[{"collection":"d:a","key":{"id":"\u003c7\u003e"},"owners":2}],"refused":[{"collection":"d:a","field":"f","why":"why"}],"unreachable":[],"verified":true}`)
	}
	expect(t, "an empty correction", jsonOf(t, &Rectified{}), `{"changed":[],"records":[],"skipped_shared":[],"refused":[],"unreachable":[],"verified":false}`)
}
