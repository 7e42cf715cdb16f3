import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.stream.Stream;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * One Kafka node, and Java's own clients to look at it with.
 *
 * Arguments: the broker's properties file, its folder, its address. Every line of standard input is a command, every
 * answer ends with the line {@code ok} or {@code failed REASON}. When standard input ends, whoever started this is
 * gone: the node stops at once and its folder is deleted.
 */
public final class BrokerHost {
    private static final HexFormat HEX = HexFormat.of();

    private final Path folder;
    private final String bootstrap;
    private final PrintStream out = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16));

    private BrokerHost(Path folder, String bootstrap) {
        this.folder = folder;
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) {
        String properties = args[0];
        BrokerHost host = new BrokerHost(Path.of(args[1]), args[2]);
        new Thread(host::serve, "commands").start();
        int formatted = kafka.tools.StorageTool.execute(
            new String[] {"format", "--cluster-id", "kafkaProducerTestsAAAA", "--config", properties}, System.err);
        if (formatted != 0) {
            Runtime.getRuntime().halt(formatted);
        }
        kafka.Kafka.main(new String[] {properties});
    }

    private void serve() {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                answer(line.split(" "));
            }
        } catch (IOException e) {
            e.printStackTrace();
        } finally {
            deleteFolder();
            Runtime.getRuntime().halt(0);
        }
    }

    private void answer(String[] words) {
        try {
            List<String> arguments = Arrays.asList(words).subList(1, words.length);
            switch (words[0]) {
                case "await" -> await();
                case "create" -> create(arguments);
                case "grow" -> grow(arguments.get(0), Integer.parseInt(arguments.get(1)));
                case "read" -> read(arguments.get(0));
                case "partitions" -> partitions(arguments.get(0), arguments.subList(1, arguments.size()));
                default -> throw new IllegalArgumentException("no such command: " + words[0]);
            }
            out.println("ok");
        } catch (Exception e) {
            e.printStackTrace();
            out.println("failed " + e.toString().replace('\n', ' '));
        }
        out.flush();
    }

    /** Returns once the node answers. */
    private void await() throws Exception {
        try (Admin admin = admin()) {
            while (admin.describeCluster().nodes().get().isEmpty()) {
                Thread.sleep(50);
            }
        }
    }

    /** TOPIC PARTITIONS [NAME=VALUE]... */
    private void create(List<String> arguments) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (String pair : arguments.subList(2, arguments.size())) {
            int equals = pair.indexOf('=');
            configs.put(pair.substring(0, equals), pair.substring(equals + 1));
        }
        NewTopic topic = new NewTopic(arguments.get(0), Integer.parseInt(arguments.get(1)), (short) 1);
        try (Admin admin = admin()) {
            admin.createTopics(List.of(topic.configs(configs))).all().get();
        }
    }

    private void grow(String topic, int partitions) throws Exception {
        try (Admin admin = admin()) {
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(partitions))).all().get();
        }
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
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    /** {@code -} is null; {@code x} and two digits a byte anything else, so that empty is {@code x}. */
    private static String bytes(byte[] bytes) {
        return bytes == null ? "-" : "x" + HEX.formatHex(bytes);
    }

    /** The node is still writing, so that a folder may fill again while it is being emptied. */
    private void deleteFolder() {
        for (int attempt = 0; attempt < 10 && Files.exists(folder); attempt++) {
            try (Stream<Path> paths = Files.walk(folder)) {
                for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                    Files.deleteIfExists(path);
                }
            } catch (IOException | UncheckedIOException e) {
                e.printStackTrace();
            }
        }
    }
}
