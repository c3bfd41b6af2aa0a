"""Three Kafka brokers, so that leaders and coordinators can move."""

from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, ElectionType, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from .kafka import Brokers, Node, new_cluster_id
from .processes import free_port, wait_until


class ClusterNode(Node):
    heap = "256m"


class Cluster(Brokers):
    """Three nodes on 127.0.0.1, each broker and controller. One at a time may be down.

    Topics have three replicas, two of which must hold a record before a producer of acks=all is
    told so. Internal topics have three as well.

        leader = cluster.leaders(topic)[0]
        cluster.nodes[leader].kill()
        cluster.nodes[leader].start()
        cluster.wait_for_replicas(topic)
        cluster.elect_preferred(topic)
    """

    replicas = 3

    def __init__(self, directory):
        controllers = {number: free_port() for number in (1, 2, 3)}
        self.nodes = {}
        for number in controllers:
            place = directory / f"node-{number}"
            place.mkdir()
            self.nodes[number] = ClusterNode(place, number, controllers)
        self.bootstrap_servers = ",".join(f"127.0.0.1:{n.port}" for n in self.nodes.values())

    def start(self):
        """Format and start all nodes, and return when each knows all of them."""
        cluster_id = new_cluster_id()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: node.format(cluster_id), self.nodes.values()))
        # A node answers only once a majority runs.
        for node in self.nodes.values():
            node.launch()
        for node in self.nodes.values():
            node.wait_until_ready()
        self._wait_until_whole()

    def stop(self):
        # A broker that leaves in order waits for a controller, and there soon is none.
        for node in self.nodes.values():
            if node.process is not None:
                node.kill()

    def ensure_running(self):
        for node in self.nodes.values():
            node.ensure_running()
        self._wait_until_whole()

    def _wait_until_whole(self):
        for node in self.nodes.values():
            wait_until(
                lambda n=node: len(n.answers() or ()) == len(self.nodes),
                f"node {node.number} to know all others",
            )

    def create_topic(self, name=None, partitions=1, **config):
        return super().create_topic(name, partitions, **{"min_insync_replicas": 2, **config})

    def _wait_for_partitions(self, name, count):
        """Wait until each node knows the topic: they hear of it one after the other."""

        def known(node):
            admin = AdminClient(node.client_settings())
            found = admin.list_topics(name, timeout=5.0).topics[name]
            return found.error is None and len(found.partitions) == count

        for node in self.nodes.values():
            if node.running():
                wait_until(lambda n=node: known(n), f"topic {name} at node {node.number}")
        super()._wait_for_partitions(name, count)

    def bounds(self, topic, committed=True):
        return _patiently(lambda: super(Cluster, self).bounds(topic, committed))

    # ---- Leaders and replicas ----

    def _metadata(self, topic):
        admin = self._admin()
        return admin.list_topics(topic, timeout=10.0).topics[topic].partitions

    def leaders(self, topic):
        """{partition: number of the node that leads it, -1 for nobody}."""
        return {p: found.leader for p, found in self._metadata(topic).items()}

    def preferred(self, topic):
        """{partition: number of the node that leads it when all are well}."""
        return {p: found.replicas[0] for p, found in self._metadata(topic).items()}

    def wait_for_leaders(self, topic, but):
        """Wait until every partition is led, and none by this node."""
        wait_until(
            lambda: not {but, -1} & set(self.leaders(topic).values()),
            lambda: f"other leaders than {but}: {self.leaders(topic)}",
        )

    def wait_for_replicas(self, topic):
        """Wait until all three replicas of each partition are in sync."""
        wait_until(
            lambda: all(len(p.isrs) == 3 for p in self._metadata(topic).values()),
            f"the replicas of {topic}",
            60,
        )

    def elect_preferred(self, topic):
        """Make the first replica of each partition its leader again."""
        admin = self._admin()
        partitions = [TopicPartition(topic, p) for p in self.leaders(topic)]
        admin.elect_leaders(ElectionType.PREFERRED, partitions).result(30)
        wait_until(
            lambda: self.leaders(topic) == self.preferred(topic), f"preferred leaders of {topic}"
        )

    # ---- Groups ----

    # Not asked of an AdminClient: librdkafka 2.16 can abort where a coordinator dies meanwhile.

    def coordinator(self, group):
        """The number of the node that coordinates the group, -1 for nobody."""
        number = 0
        for character in group:  # String.hashCode, of ASCII
            number = (31 * number + ord(character)) & 0xFFFFFFFF
        leaders = self.leaders("__consumer_offsets")
        return leaders[(number & 0x7FFFFFFF) % len(leaders)]

    def committed(self, group, topic):
        """{partition: offset} as the group's members committed them."""
        partitions = [TopicPartition(topic, p) for p in self.leaders(topic)]
        consumer = Consumer(self._client(**{"group.id": group}))
        try:
            found = _patiently(lambda: consumer.committed(partitions, timeout=5.0))
            return {p.partition: p.offset for p in found}
        finally:
            consumer.close()


def _patiently(ask):
    """Ask again while the answer is an error: the node that was asked may be down or have moved."""

    def answer():
        try:
            return (ask(),)
        except KafkaException:
            return None

    return wait_until(answer, "an answer", interval=0.1)[0]
