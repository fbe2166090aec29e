package notice

// Basis is a lawful basis of Art. 6(1).
type Basis string

// The bases.
const (
	Consent            Basis = "consent"             // 6(1)(a)
	Contract           Basis = "contract"            // 6(1)(b)
	LegalObligation    Basis = "legal_obligation"    // 6(1)(c)
	VitalInterests     Basis = "vital_interests"     // 6(1)(d)
	PublicTask         Basis = "public_task"         // 6(1)(e)
	LegitimateInterest Basis = "legitimate_interest" // 6(1)(f)
)

// Article returns the paragraph of the GDPR, such as "6(1)(a)", empty for an unknown basis.
func (b Basis) Article() string {
	switch b {
	case Consent:
		return "6(1)(a)"
	case Contract:
		return "6(1)(b)"
	case LegalObligation:
		return "6(1)(c)"
	case VitalInterests:
		return "6(1)(d)"
	case PublicTask:
		return "6(1)(e)"
	case LegitimateInterest:
		return "6(1)(f)"
	}
	return ""
}

// Objectable tells whether the basis leaves a person the right to object for reasons of their own
// (Art. 21(1)).
func (b Basis) Objectable() bool { return b == PublicTask || b == LegitimateInterest }
