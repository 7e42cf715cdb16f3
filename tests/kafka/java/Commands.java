import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Predicate;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * What can be asked of a cluster, answered by Java's own clients.
 *
 * Every line of standard input is a command, every answer ends with the line {@code ok} or {@code failed REASON}.
 */
final class Commands {
    private static final HexFormat HEX = HexFormat.of();

    /** One command, given the words after its name. */
    interface Command {
        void run(List<String> arguments) throws Exception;
    }

    private final String bootstrap;
    private final PrintStream out = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16));
    private final Map<String, Command> commands = new HashMap<>();

    Commands(String bootstrap) {
        this.bootstrap = bootstrap;
        add("await", arguments -> await(Integer.parseInt(arguments.get(0))));
        add("create", this::create);
        add("grow", arguments -> grow(arguments.get(0), Integer.parseInt(arguments.get(1))));
        add("configure", arguments -> configure(arguments.get(0), arguments.get(1)));
        add("lead", arguments -> lead(arguments.get(0), arguments.subList(1, arguments.size())));
        add("led", arguments -> awaitPartitions(arguments.get(0), each -> each.leader() != null));
        add("replicated", arguments -> replicated(arguments.get(0)));
        add("read", arguments -> read(arguments.get(0)));
        add("partitions", arguments -> partitions(arguments.get(0), arguments.subList(1, arguments.size())));
    }

    void add(String name, Command command) {
        commands.put(name, command);
    }

    /** Returns when standard input ends: whoever started this is gone. */
    void serve() {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                answer(line.split(" "));
            }
        } catch (IOException e) {
            e.printStackTrace();
        }
    }

    private void answer(String[] words) {
        try {
            Command command = commands.get(words[0]);
            if (command == null) {
                throw new IllegalArgumentException("no such command: " + words[0]);
            }
            command.run(Arrays.asList(words).subList(1, words.length));
            out.println("ok");
        } catch (Exception e) {
            e.printStackTrace();
            out.println("failed " + e.toString().replace('\n', ' '));
        }
        out.flush();
    }

    /** Returns once this many nodes are there. */
    private void await(int nodes) throws Exception {
        try (Admin admin = admin()) {
            until(() -> admin.describeCluster().nodes().get().size() >= nodes);
        }
    }

    /** TOPIC PARTITIONS [NAME=VALUE]... */
    private void create(List<String> arguments) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (String pair : arguments.subList(2, arguments.size())) {
            int equals = pair.indexOf('=');
            configs.put(pair.substring(0, equals), pair.substring(equals + 1));
        }
        Optional<Integer> partitions = Optional.of(Integer.valueOf(arguments.get(1)));
        NewTopic topic = new NewTopic(arguments.get(0), partitions, Optional.empty());
        try (Admin admin = admin()) {
            admin.createTopics(List.of(topic.configs(configs))).all().get();
        }
    }

    private void grow(String topic, int partitions) throws Exception {
        try (Admin admin = admin()) {
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(partitions))).all().get();
        }
    }

    private void configure(String topic, String pair) throws Exception {
        int equals = pair.indexOf('=');
        ConfigEntry entry = new ConfigEntry(pair.substring(0, equals), pair.substring(equals + 1));
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Collection<AlterConfigOp> change = List.of(new AlterConfigOp(entry, AlterConfigOp.OpType.SET));
        try (Admin admin = admin()) {
            admin.incrementalAlterConfigs(Map.of(resource, change)).all().get();
        }
    }

    /** Each pair is {@code PARTITION=NODE}: the node becomes the partition's first replica, and its leader. */
    private void lead(String topic, List<String> pairs) throws Exception {
        Map<TopicPartition, Optional<NewPartitionReassignment>> reassignments = new HashMap<>();
        try (Admin admin = admin()) {
            List<TopicPartitionInfo> partitions = describe(admin, topic);
            for (String pair : pairs) {
                int equals = pair.indexOf('=');
                int partition = Integer.parseInt(pair.substring(0, equals));
                Integer leader = Integer.valueOf(pair.substring(equals + 1));
                List<Integer> replicas = new ArrayList<>(List.of(leader));
                partitions.get(partition).replicas().stream().map(node -> node.id())
                    .filter(node -> !node.equals(leader)).forEach(replicas::add);
                reassignments.put(new TopicPartition(topic, partition), Optional.of(new NewPartitionReassignment(replicas)));
            }
            admin.alterPartitionReassignments(reassignments).all().get();
            elect(admin, reassignments.keySet().stream().toList());
        }
    }

    /** Returns once every replica is in sync, and has each partition's first replica lead it again. */
    private void replicated(String topic) throws Exception {
        awaitPartitions(topic, each -> each.leader() != null && each.isr().size() == each.replicas().size());
        try (Admin admin = admin()) {
            elect(admin, describe(admin, topic).stream().map(each -> new TopicPartition(topic, each.partition())).toList());
        }
    }

    private static void elect(Admin admin, List<TopicPartition> partitions) throws Exception {
        Map<TopicPartition, Optional<Throwable>> outcomes =
            admin.electLeaders(ElectionType.PREFERRED, new HashSet<>(partitions)).partitions().get();
        for (Optional<Throwable> failure : outcomes.values()) {
            if (failure.isPresent() && !(failure.get() instanceof ElectionNotNeededException)) {
                throw new IllegalStateException(failure.get());
            }
        }
    }

    /** Returns once all partitions of the topic are as wanted. */
    private void awaitPartitions(String topic, Predicate<TopicPartitionInfo> wanted) throws Exception {
        try (Admin admin = admin()) {
            until(() -> describe(admin, topic).stream().allMatch(wanted));
        }
    }

    private static List<TopicPartitionInfo> describe(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
    }

    /** A condition of the cluster; one that cannot be asked does not hold. */
    interface Condition {
        boolean holds() throws Exception;
    }

    private static void until(Condition condition) throws Exception {
        Exception last = new IllegalStateException("not so after a minute");
        for (long end = System.nanoTime() + Duration.ofMinutes(1).toNanos(); System.nanoTime() < end; Thread.sleep(50)) {
            try {
                if (condition.holds()) {
                    return;
                }
            } catch (ExecutionException e) {
                last = e;
            }
        }
        throw last;
    }

    /**
     * Prints every record of a topic, each partition in the order of its offsets:
     * {@code PARTITION OFFSET TIMESTAMP KEY VALUE [HEADER=VALUE]...}.
     */
    private void read(String topic) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "enable.auto.commit", "false",
            "max.poll.records", "10000", "fetch.min.bytes", "1", "allow.auto.create.topics", "false");
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition())).toList();
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (partitions.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    print(record);
                }
            }
        }
    }

    private void print(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder();
        line.append(record.partition()).append(' ').append(record.offset()).append(' ').append(record.timestamp());
        line.append(' ').append(bytes(record.key())).append(' ').append(bytes(record.value()));
        for (Header header : record.headers()) {
            String key = bytes(header.key().getBytes(StandardCharsets.UTF_8));
            line.append(' ').append(key).append('=').append(bytes(header.value()));
        }
        out.println(line);
    }

    /** Prints, a line each, the partition to which Java's producer sends each key. */
    private void partitions(String topic, List<String> keys) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap);
        try (KafkaProducer<byte[], byte[]> producer =
                 new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String key : keys) {
                sent.add(producer.send(new ProducerRecord<>(topic, HEX.parseHex(key.substring(1)), null)));
            }
            producer.flush();
            for (Future<RecordMetadata> each : sent) {
                out.println(each.get().partition());
            }
        }
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap, "request.timeout.ms", "5000", "default.api.timeout.ms", "20000"));
    }

    /** {@code -} is null; {@code x} and two digits a byte anything else, so that empty is {@code x}. */
    private static String bytes(byte[] bytes) {
        return bytes == null ? "-" : "x" + HEX.formatHex(bytes);
    }
}
