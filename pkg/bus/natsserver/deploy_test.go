package natsserver

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The NATS servers of deploy/k8s permit a client what the embedded one does.
func TestTheDeploymentPermitsTheSame(t *testing.T) {
	const file = "../../../deploy/k8s/overlays/distributed/client.conf"
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := clientPermissions()
	var want strings.Builder
	want.WriteString("# What a client may do: the same as with the embedded server, which a test of\n# pkg/bus/natsserver compares this with.\n")
	list := func(word string, subjects []string) {
		fmt.Fprintf(&want, "  %s: [\n", word)
		for _, s := range subjects {
			fmt.Fprintf(&want, "    %q\n", s)
		}
		want.WriteString("  ]\n")
	}
	want.WriteString("publish: {\n")
	list("allow", p.Publish.Allow)
	list("deny", p.Publish.Deny)
	want.WriteString("}\nsubscribe: {\n")
	list("allow", p.Subscribe.Allow)
	want.WriteString("}\n")
	if string(got) != want.String() {
		t.Errorf("%s has to be\n%s", file, want.String())
	}
}
