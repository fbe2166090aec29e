package binary

func limited() bool { return false }
