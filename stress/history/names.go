package history

import "fmt"

func (o Outcome) String() string {
	switch o {
	case Complete:
		return "complete"
	case Stuck:
		return "stuck"
	}
	return fmt.Sprintf("Outcome(%d)", o)
}

func (k Kind) String() string {
	switch k {
	case Call:
		return "call"
	case Handler:
		return "handler"
	}
	return fmt.Sprintf("Kind(%d)", k)
}
