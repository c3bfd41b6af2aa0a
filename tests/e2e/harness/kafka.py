"""A real Kafka broker, one KRaft node, and what tests ask of brokers. Three: cluster.py."""

import base64
import re
import subprocess
import uuid
from dataclasses import dataclass
from typing import Optional

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from .processes import Server, free_port, installed, wait_until

_PROPERTIES = """
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
# Leaders move when a test says so.
auto.leader.rebalance.enable=false
# A broker that was killed may register again only after its last session, 9 s by default.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=200
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=5
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
"""

_LOG4J = """
log4j.rootLogger=WARN, stdout
# Says when a group has a new generation.
log4j.logger.kafka.coordinator.group.GroupCoordinator=INFO
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=%d %p %c %m%n
"""


@dataclass(frozen=True)
class Record:
    """A record as it was consumed. `timestamp` is in ms, None where the record has none."""

    partition: int
    offset: int
    timestamp: Optional[int]
    key: Optional[bytes]
    value: Optional[bytes]
    headers: tuple = ()


def new_cluster_id():
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


class Node(Server):
    """One process that is broker and controller, on 127.0.0.1.

    `controllers` has the port of each controller of the cluster by its node's number. The storage
    has to be formatted before the first start.
    """

    name = "kafka"
    heap = "512m"

    def __init__(self, directory, number, controllers):
        super().__init__(directory)
        self.number = number
        self.port = free_port()
        self._config = self.directory / "server.properties"
        self._config.write_text(
            _PROPERTIES.format(
                node=number,
                port=self.port,
                controller=controllers[number],
                voters=",".join(f"{n}@127.0.0.1:{port}" for n, port in controllers.items()),
                replicas=len(controllers),
                data=self.directory / "kafka-data",
            )
        )
        (self.directory / "log4j.properties").write_text(_LOG4J)

    def _java(self, *arguments):
        return [
            "java",
            f"-Xmx{self.heap}",
            # Quick to start, and small beside the program under test.
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            f"-Dlog4j.configuration=file:{self.directory / 'log4j.properties'}",
            "-cp",
            installed()["KAFKA_LIB"] + "/*",
            *arguments,
        ]

    def format(self, cluster_id):
        # An id may begin with "-", which would be taken for an option.
        arguments = ("format", f"--cluster-id={cluster_id}", "-c", str(self._config))
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"formatting Kafka's storage failed:\n{done.stdout}"

    def command(self):
        return self._java("kafka.Kafka", self._config)

    def client_settings(self):
        # Without a logger of librdkafka's on stderr: connections that break are part of the tests.
        return {"bootstrap.servers": f"127.0.0.1:{self.port}", "log_level": 0}

    def answers(self):
        try:
            return AdminClient(self.client_settings()).list_topics(timeout=1.0).brokers
        except KafkaException:
            return False


class Brokers:
    """What tests ask of one broker or several, reached at `bootstrap_servers`.

    Methods return when what they ask for has happened.
    """

    bootstrap_servers = None
    replicas = 1

    def _client(self, **more):
        # Without a logger, as above.
        return {"bootstrap.servers": self.bootstrap_servers, "log_level": 0, **more}

    def _admin(self):
        # Keep it in a variable until its answers are there: it takes what is under way with it.
        return AdminClient(self._client())

    def settings(self, topic):
        """tidemark's settings for this broker and topic."""
        return {"kafka.bootstrap_servers": self.bootstrap_servers, "kafka.topic": topic}

    # ---- Topics ----

    def create_topic(self, name=None, partitions=1, **config):
        """Create a topic and return its name; config has `_` for `.`: `retention_ms=1000`.

        Old records stay unless the config says otherwise: events of tests lie in the past.
        """
        name = name or f"t-{uuid.uuid4().hex[:12]}"
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, partitions, self.replicas, config={"retention.ms": "-1", **config})
        tries = 0
        while not self._create(topic, perhaps_there=tries > 0):
            tries += 1
            assert tries < 5, f"topic {name}: the client drops each connection"
        self._wait_for_partitions(name, partitions)
        return name

    def _create(self, topic, perhaps_there=False):
        """False where nobody knows: the client drops its first connection, and what it has asked
        there, when it hears of the brokers by their numbers."""
        admin = self._admin()
        try:
            admin.create_topics([topic])[topic.topic].result(30)
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError._DESTROY_BROKER:
                return False
            if code != KafkaError.TOPIC_ALREADY_EXISTS or not perhaps_there:
                raise
        return True

    def _wait_for_partitions(self, name, count):
        admin = self._admin()

        def usable():
            found = admin.list_topics(name, timeout=5.0).topics[name]
            led = [p for p in found.partitions.values() if p.leader >= 0 and p.error is None]
            return found.error is None and len(led) == count

        wait_until(usable, f"topic {name}")

    def add_partitions(self, name, total):
        """Grow the topic to so many partitions."""
        admin = self._admin()
        admin.create_partitions([NewPartitions(name, total)])[name].result(30)
        self._wait_for_partitions(name, total)

    def delete_topic(self, name):
        admin = self._admin()
        admin.delete_topics([name])[name].result(30)
        wait_until(lambda: name not in admin.list_topics(timeout=5.0).topics, f"{name}'s end")

    def delete_records(self, name, before):
        """Move the log's start: {partition: first offset that stays}."""
        ends = [TopicPartition(name, partition, offset) for partition, offset in before.items()]
        admin = self._admin()
        for future in admin.delete_records(ends).values():
            future.result(30)

    def cluster_id(self):
        return self._admin().list_topics(timeout=5.0).cluster_id

    def generations(self, group):
        """How many times the group's members have been given partitions anew."""
        stable = re.compile(rf"Stabilized group {re.escape(group)} generation ([0-9]+) ")
        return max(map(int, stable.findall(self.log.read_text(errors="replace"))), default=0)

    def members(self, group):
        """How many members a consumer group has, those that wait to be let in among them."""
        admin = self._admin()
        return len(admin.describe_consumer_groups([group])[group].result(30).members)

    def topic_config(self, name):
        """{name: value} of the topic's configuration."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        admin = self._admin()
        entries = admin.describe_configs([resource])[resource].result(30)
        return {key: entry.value for key, entry in entries.items()}

    # ---- Producing ----

    def produce(self, topic, records, **config):
        """Produce (key, value, timestamp_ms, partition, headers) tuples, in this order.

        Everything after the value may be left off or None: the time is then now, and the partition
        comes from the key. `config` is librdkafka's, with `_` for `.`. Returns the (partition,
        offset) of each record, in the order given.
        """
        producer = Producer(self._producer_config(config))
        return _produce(producer, topic, records)

    def _producer_config(self, config):
        config = {key.replace("_", "."): value for key, value in config.items()}
        return self._client(**{"compression.type": "lz4", "linger.ms": 5, **config})

    def transaction(self, transactional_id=None, **config):
        """Begin a transaction: produce(topic, records), then commit() or abort().

        While it is open the last stable offset of its partitions stands still. `config` as above.
        """
        config = self._producer_config(config)
        return Transaction(config, transactional_id or f"x-{uuid.uuid4().hex}")

    # ---- Reading ----

    def bounds(self, topic, committed=True):
        """{partition: (first offset, end)}; the end is the last stable offset, or the log's."""
        consumer = self._consumer(committed)
        try:
            return {
                partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), 10.0)
                for partition in self._partitions(consumer, topic)
            }
        finally:
            consumer.close()

    def consume(self, topic, committed=True, timeout=60.0):
        """All records of the topic as Record, sorted by partition and offset."""
        consumer = self._consumer(committed)
        records = []
        try:
            open_partitions = set(self._partitions(consumer, topic))
            consumer.assign([TopicPartition(topic, p, 0) for p in open_partitions])

            def finished():
                for message in consumer.consume(1000, 0.1):
                    if message.error() is None:
                        records.append(_record(message))
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        open_partitions.discard(message.partition())
                    else:
                        raise KafkaException(message.error())
                return not open_partitions

            wait_until(finished, f"the end of partitions {open_partitions}", timeout, 0)
        finally:
            consumer.close()
        return sorted(records, key=lambda record: (record.partition, record.offset))

    def _consumer(self, committed):
        return Consumer(
            self._client(
                **{
                    "group.id": "harness",
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "earliest",
                    "isolation.level": "read_committed" if committed else "read_uncommitted",
                }
            )
        )

    def _partitions(self, consumer, topic):
        found = consumer.list_topics(topic, timeout=10.0).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)


class Kafka(Node, Brokers):
    """One broker on 127.0.0.1.

    From Server: start, stop, kill, restart, freeze, thaw; ports and data stay.

        kafka.create_topic("clicks", 3)
        kafka.produce("clicks", [(b"user", b'{"user_id":"user",...}', 1729630800000)])
        assert kafka.consume("clicks")[0].key == b"user"
    """

    def __init__(self, directory):
        super().__init__(directory, 1, {1: free_port()})
        self.bootstrap_servers = f"127.0.0.1:{self.port}"
        self.format(new_cluster_id())


class Transaction:
    """An open transaction, see Kafka.transaction()."""

    def __init__(self, config, transactional_id):
        self._producer = Producer({**config, "transactional.id": transactional_id})
        self._producer.init_transactions(30.0)
        self.begin()

    def begin(self):
        """Another one of the same producer, when the one before is over."""
        self._producer.begin_transaction()

    def produce(self, topic, records):
        return _produce(self._producer, topic, records)

    def commit(self):
        self._producer.commit_transaction(30.0)

    def abort(self):
        self._producer.abort_transaction(30.0)


def _produce(producer, topic, records):
    records = list(records)
    placed = [None] * len(records)
    errors = []

    def delivered(index, error, message):
        if error is not None:
            errors.append(error)
        else:
            placed[index] = (message.partition(), message.offset())

    for index, record in enumerate(records):
        key, value, timestamp, partition, headers = (*record, None, None, None)[:5]
        options = {"on_delivery": lambda error, message, i=index: delivered(i, error, message)}
        if timestamp is not None:
            options["timestamp"] = timestamp
        if partition is not None:
            options["partition"] = partition
        if headers is not None:
            options["headers"] = headers
        while True:
            try:
                producer.produce(topic, value, key, **options)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(60.0)
    assert not errors and left == 0, f"{left} records not delivered, errors: {errors[:3]}"
    return placed


def _record(message):
    kind, timestamp = message.timestamp()
    return Record(
        message.partition(),
        message.offset(),
        timestamp if kind != 0 else None,  # TIMESTAMP_NOT_AVAILABLE
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )
