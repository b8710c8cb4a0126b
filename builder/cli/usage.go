package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a command line that makes no sense.
type usageError struct{ error }

// misused is a wrong command line of a command, with the way to its help.
func misused(c *cobra.Command, format string, a ...any) error {
	return hinted{usageError{fmt.Errorf(format, a...)}, c.CommandPath() + " --help"}
}

// args wraps cobra's checks of positional arguments as usage errors in our words, and
// looks for the flags that have to be there.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if check(c, a) != nil {
			what := fmt.Sprintf("%d arguments do not fit", len(a))
			switch len(a) {
			case 0:
				what = "something is missing"
			case 1:
				what = fmt.Sprintf("%q alone does not fit", a[0])
			}
			return misused(c, "%s: the command is %s", what, form(c))
		}
		if missing := missingFlag(c); missing != "" {
			return misused(c, "--%s is missing: the command is %s", missing, form(c))
		}
		return nil
	}
}

// form is how a command is typed.
func form(c *cobra.Command) string {
	if c.HasParent() {
		return c.Parent().CommandPath() + " " + c.Use
	}
	return c.Use
}

// needed marks the flags that have to be given. Cobra has a mark of its own, and then
// completes nothing else before them.
const needed = "berry_needed"

// needs marks a flag of a command, which is defined.
func needs(c *cobra.Command, name string) {
	c.Flags().Lookup(name).Annotations = map[string][]string{needed: nil}
}

// missingFlag is a flag that has to be given and is not, or "".
func missingFlag(c *cobra.Command) (name string) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if _, is := f.Annotations[needed]; is && !f.Changed && name == "" {
			name = f.Name
		}
	})
	return name
}

// ofCommands makes a command of those below it: alone it shows its help, and what it does
// not know is a wrong command line.
func ofCommands(c *cobra.Command) *cobra.Command {
	c.Args = func(c *cobra.Command, a []string) error {
		if len(a) == 0 {
			return nil
		}
		if near := c.SuggestionsFor(a[0]); len(near) > 0 {
			return hinted{usageError{fmt.Errorf("unknown command %q for %q", a[0], c.CommandPath())}, c.CommandPath() + " " + near[0]}
		}
		return misused(c, "unknown command %q for %q", a[0], c.CommandPath())
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.SuggestionsMinimumDistance = 2
	c.DisableFlagsInUseLine = true
	return c
}

// wrongFlag puts what pflag says into our words.
func wrongFlag(c *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		return misused(c, "%q is no value for --%s", value.GetValue(), value.GetFlag().Name)
	}
	return misused(c, "%v", err)
}
