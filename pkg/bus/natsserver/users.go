package natsserver

import (
	"github.com/nats-io/nats-server/v2/server"

	"github.com/redrive-io/redrive/pkg/bus"
)

// The users. Redrive itself may do everything; a client, which is another
// scheduler, may tell how its attempts end and listen to what Redrive decides.
const (
	UserRedrive = "redrive"
	UserClient  = "client"
)

func users(o Options) []*server.User {
	all := []*server.User{{Username: UserRedrive, Password: o.RedrivePassword}}
	if o.ClientPassword != "" {
		all = append(all, &server.User{Username: UserClient, Password: o.ClientPassword, Permissions: clientPermissions()})
	}
	return all
}

// clientHears are the events of a client.
var clientHears = []bus.Type{bus.DecisionMade, bus.FailureClassified}

// clientPermissions lets a client report how its attempts ended, and make and use
// consumers of its own whose one filter subject is one that it may hear: the
// server holds that subject against the consumer's configuration. Redrive's own
// durable consumers are closed to it by name, and its replies are out of reach
// because they go to an inbox of another name. All clients share one user, so
// they can see each other's replies and consumers.
func clientPermissions() *server.Permissions {
	const api, stream = "$JS.API.", bus.EventStream
	publish := &server.SubjectPermission{Allow: []string{
		api + "INFO",
		api + "STREAM.INFO." + stream,
		api + "CONSUMER.INFO." + stream + ".*",
		api + "CONSUMER.DELETE." + stream + ".*",
		api + "CONSUMER.MSG.NEXT." + stream + ".*",
		"$JS.ACK." + stream + ".*.>",
	}}
	for _, t := range bus.Reports {
		publish.Allow = append(publish.Allow, bus.ReportPrefix+string(t))
	}
	for _, t := range clientHears {
		publish.Allow = append(publish.Allow, api+"CONSUMER.CREATE."+stream+".*."+bus.SubjectPrefix+string(t))
	}
	for _, c := range bus.Consumers {
		publish.Deny = append(publish.Deny,
			api+"CONSUMER.DELETE."+stream+"."+c.Name,
			api+"CONSUMER.MSG.NEXT."+stream+"."+c.Name,
			api+"CONSUMER.CREATE."+stream+"."+c.Name+".>",
			"$JS.ACK."+stream+"."+c.Name+".>",
		)
	}
	return &server.Permissions{
		Publish:   publish,
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}
}
