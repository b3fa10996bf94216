# Reads host expressions, one a line, and prints for each what ClusterShell's
# NodeSet makes of it: its fold and its hosts, or "!" and why it is refused.
# Groups come from the file given.
import sys
from ClusterShell.NodeSet import NodeSet
from ClusterShell.NodeUtils import GroupResolver, YAMLGroupLoader

sources = list(YAMLGroupLoader(sys.argv[1]))
resolver = GroupResolver(default_source=sources[0])
for source in sources[1:]:
    resolver.add_source(source)
for line in sys.stdin:
    line = line.rstrip("\n")
    try:
        nodes = NodeSet(line, resolver=resolver)
        print(str(nodes), " ".join(sorted(nodes)), sep="\t")
    except Exception as error:
        print("!\t" + " ".join(str(error).split()))
