package subject

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"

	"probity/internal/fail"
)

// Kind is the sort of an identity.
type Kind string

// The kinds of identities. A cookie identifies one device; all others identify a person.
const (
	Cookie        Kind = "cookie"      // the visitor id that a browser or an app keeps
	Email         Kind = "email"       // an address after RFC 5321
	Phone         Kind = "phone"       // E.164
	ExternalID    Kind = "external_id" // the controller's own customer number
	Twitter       Kind = "twitter"
	Facebook      Kind = "facebook"
	Instagram     Kind = "instagram"
	WhatsApp      Kind = "whatsapp" // a telephone number, E.164
	AppleMessages Kind = "apple_messages"
)

// Past returns the cookie under which a visitor of an imported history is known. The prefix keeps it
// apart from live visitors, whatever the source calls them.
func Past(name string) string { return "import:" + name }

// Kinds lists all kinds in a fixed order.
func Kinds() []Kind {
	return []Kind{Cookie, Email, Phone, ExternalID, Twitter, Facebook, Instagram, WhatsApp, AppleMessages}
}

// maxValue bounds an identity in bytes; longer ones are refused.
const maxValue = 320

// Normalise returns the one spelling under which an identity is looked up.
//
//   - e-mail: surrounding space removed, domain in lower case and as IDNA A-labels; the part before
//     the @ is kept as it is written, because only the mail server may fold it. No dot or plus
//     folding: it would merge different people.
//   - phone, whatsapp: E.164. The number must carry its country code with + or 00.
//   - twitter, instagram: lower case without a leading @.
//   - all others: surrounding space removed.
//
// The error is fail.Invalid and holds no part of the value.
func Normalise(k Kind, value string) (string, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return "", fail.Field(string(k), "The %s is empty.", k)
	}
	if len(value) > maxValue || !utf8.ValidString(value) || strings.ContainsFunc(value, control) {
		return "", fail.Field(string(k), "The %s is longer than %d bytes or holds characters that can't be part of one.", k, maxValue)
	}
	switch k {
	case Cookie, ExternalID, Facebook, AppleMessages:
		return value, nil
	case Twitter, Instagram:
		value = strings.TrimLeftFunc(strings.ToLower(value), func(r rune) bool { return r == '@' || unicode.IsSpace(r) })
		if value == "" || len(value) > maxValue {
			return "", fail.Field(string(k), "The %s is empty or too long.", k)
		}
		return value, nil
	case Email:
		return normaliseEmail(value)
	case Phone, WhatsApp:
		return normalisePhone(k, value)
	}
	return "", fail.New(fail.Invalid, "There is no kind of identity with that name.")
}

func control(r rune) bool { return r < 0x20 || r == 0x7f || r == utf8.RuneError }

func normaliseEmail(value string) (string, error) {
	bad := fail.Field(string(Email), "This is not an e-mail address of the form name@domain.")
	addr, err := mail.ParseAddress(value)
	if err != nil || addr.Name != "" || strings.ContainsAny(value, "<>\"() ") {
		return "", bad
	}
	at := strings.LastIndexByte(addr.Address, '@')
	local, domain := addr.Address[:at], addr.Address[at+1:]
	domain, err = idna.Lookup.ToASCII(strings.TrimSuffix(domain, "."))
	if err != nil || domain == "" || local == "" {
		return "", bad
	}
	if len(local)+1+len(domain) > maxValue {
		return "", bad
	}
	return local + "@" + domain, nil
}

func normalisePhone(k Kind, value string) (string, error) {
	if rest, ok := strings.CutPrefix(value, "00"); ok {
		value = "+" + rest
	}
	if !strings.HasPrefix(value, "+") {
		return "", fail.Field(string(k), "A telephone number must start with + and the country code.")
	}
	// Some numbers are read differently once they are written in full; one value must have one
	// spelling, so those are refused.
	once, ok := e164(value)
	if twice, again := e164(once); !ok || !again || twice != once {
		return "", fail.Field(string(k), "This is not a telephone number with a country code, such as +44 20 7946 0000.")
	}
	return once, nil
}

func e164(value string) (string, bool) {
	n, err := phonenumbers.Parse(value, "")
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}
