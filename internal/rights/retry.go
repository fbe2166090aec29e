package rights

import "probity/internal/fail"

// stateOf is the state of a request that a step is carried out in.
var stateOf = map[string]State{
	stepLocate: Received, stepSuppress: Erasing, stepShred: Erasing, stepDelete: Erasing, stepRetrain: Erasing, stepDatabases: Erasing,
	stepVerify: Verifying, stepRewrite: Rewriting, stepPackage: Packaging, stepRestrict: Restricting, stepConfirm: Verifying, stepOutside: Restricting, stepLift: Settling,
	stepSettle: Settling, stepRecord: Certifying, stepCertify: Certifying,
}

// retry takes a request that failed back to the step that failed. What was done before stays done, and the
// steps are idempotent. It works on a copy that Apply keeps if there is no error.
//
// Error: fail.Gone if the request has forgotten whom it is about, or never knew where it stood.
func (q *Request) retry() error {
	state, known := stateOf[q.step]
	if !known || !q.known() {
		return fail.New(fail.Gone, "The request holds nothing any more that it could go on with: whom it was about is forgotten. Hand it in again.").WithCode("request.forgotten")
	}
	q.State = state
	return nil
}

// known tells whether the request still holds whom it is about.
func (q *Request) known() bool { return len(q.Who.identifiers()) > 0 || len(q.Who.Subjects) > 0 }
