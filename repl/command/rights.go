package command

import (
	"context"

	"warren/internal/operator/model"
	"warren/repl/setup"
	"warren/repl/target"
)

// Rights lists what the key of this process may do on hosts.
type Rights struct {
	target.Flags `embed:""`

	JSON bool `name:"json" help:"Print one JSON document."`
}

func (*Rights) Help() string {
	return `Asks each host what the signing key may do there, and runs nothing. The answer comes from the authorized_operators and revoked_operators files of the host: the permitted commands, the users that commands may run as, the other options of the line, when the line expires, the longest validity of a request, and the largest output that the host keeps. Hosts with equal rights share rows. Without --hosts or --where, rights asks the default hosts, or else every host that is online or was online within the last week. --identity FILE selects another key.

    rights --hosts "web[01-20]"
    rights --where 'role == "db"' --json

A host lists rights only to the key that signs the question. If the key has expired or is revoked there, the host reports only that. If the host does not know the key, it answers "not permitted on this host".

Exit status: 0 the key may run something on each host; 1 otherwise, also if a host does not answer; 2 usage or configuration; 3 no broker.`
}

func (c *Rights) Run(ctx context.Context, env *Env) error {
	c.SetDefault(env.Defaults.Expr)
	c.EveryHost = !c.NamesHosts() && c.Where == nil
	hosts, err := c.ChooseHosts(ctx, env.TargetEnv())
	if err != nil {
		return err
	}
	var rights []model.Rights
	err = env.askHosts(ctx, func(ctx context.Context) (err error) {
		rights, err = env.Engine.Rights(ctx, hosts, checkWait)
		return err
	})
	if err != nil {
		return err
	}
	return setup.Rights(env.IO, rights, env.SigningKeys(ctx), c.JSON)
}
