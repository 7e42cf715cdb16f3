import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

import com.sun.management.OperatingSystemMXBean;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Java's producer in the comparison: takes the same flags as the others and prints the same line, of what a warm JVM does. */
public final class Bench {
    private static final int WARM_UP = 500_000;
    private static final int WARM_UP_AWAITED = 5_000;

    private final Map<String, String> flags = new HashMap<>();
    private final OperatingSystemMXBean system =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private final AtomicLong acked = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();

    public static void main(String[] arguments) throws Exception {
        new Bench(arguments).run();
    }

    private Bench(String[] arguments) {
        for (int i = 0; i < arguments.length; i++) {
            String name = arguments[i].substring(2);
            flags.put(name, name.equals("sync") ? "true" : arguments[++i]);
        }
    }

    private void run() throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = records(Integer.parseInt(flag("size", "100")));
        try (var producer = new KafkaProducer<>(properties(), new ByteArraySerializer(), new ByteArraySerializer())) {
            if (flags.containsKey("sync")) {
                oneAtATime(producer, records);
            } else {
                allAtOnce(producer, records);
            }
        }
    }

    /** One of letters, or as many as fit into the file that `--payload` names. */
    private List<ProducerRecord<byte[], byte[]>> records(int size) throws Exception {
        String file = flags.get("payload");
        byte[] payload = file == null ? letters(size) : Files.readAllBytes(Path.of(file));
        return IntStream.range(0, payload.length / size)
                .mapToObj(i -> Arrays.copyOfRange(payload, i * size, (i + 1) * size))
                .map(value -> new ProducerRecord<byte[], byte[]>(flag("topic", "perf"), value))
                .toList();
    }

    private Map<String, Object> properties() {
        return Map.of(
                "bootstrap.servers", flag("bootstrap", ""),
                "acks", flag("acks", "all"),
                "linger.ms", flag("linger", "5"),
                "batch.size", flag("batch", "16384"),
                "compression.type", flag("compression", "none"),
                "enable.idempotence", flag("idempotence", "true"));
    }

    private void allAtOnce(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records)
            throws Exception {
        send(producer, records, WARM_UP);
        acked.set(0);
        failed.set(0);
        long cpu = system.getProcessCpuTime();
        long start = System.nanoTime();
        send(producer, records, Integer.parseInt(flag("records", "1000000")));
        double seconds = (System.nanoTime() - start) / 1e9;
        double used = (system.getProcessCpuTime() - cpu) / 1e9;
        double rate = acked.get() / seconds;
        System.out.printf(
                "java: %d acked %d failed in %.2f s = %.0f rec/s %.1f MB/s | cpu %.2f s = %.3f s/M rec | rss %d MB%n",
                acked.get(), failed.get(), seconds, rate, rate * records.get(0).value().length / 1e6, used,
                used / Math.max(acked.get(), 1) * 1e6, memory());
    }

    private void send(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records, int count) {
        Callback counted = (metadata, exception) -> (exception == null ? acked : failed).incrementAndGet();
        for (int i = 0; i < count; i++) {
            producer.send(records.get(i % records.size()), counted);
        }
        producer.flush();
    }

    private void oneAtATime(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records)
            throws Exception {
        await(producer, records, new double[WARM_UP_AWAITED]);
        double[] micros = new double[Integer.parseInt(flag("records", "5000"))];
        long cpu = system.getProcessCpuTime();
        await(producer, records, micros);
        double used = (system.getProcessCpuTime() - cpu) / 1e9;
        Arrays.sort(micros);
        System.out.printf("java: sync %d sends p50 %.0f us p95 %.0f us p99 %.0f us p99.9 %.0f us | cpu %.2f s%n",
                micros.length, at(micros, 0.5), at(micros, 0.95), at(micros, 0.99), at(micros, 0.999), used);
    }

    private static void await(
            KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records, double[] micros) throws Exception {
        for (int i = 0; i < micros.length; i++) {
            long start = System.nanoTime();
            producer.send(records.get(i % records.size())).get();
            micros[i] = (System.nanoTime() - start) / 1e3;
        }
    }

    private static double at(double[] sorted, double share) {
        return sorted[(int) ((sorted.length - 1) * share)];
    }

    /** The most megabytes ever held, where Linux tells; else 0. */
    private static long memory() throws Exception {
        Path status = Path.of("/proc/self/status");
        if (!Files.exists(status)) {
            return 0;
        }
        return Files.readAllLines(status).stream()
                .filter(line -> line.startsWith("VmHWM:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
                .findFirst().orElse(0);
    }

    private String flag(String name, String otherwise) {
        return flags.getOrDefault(name, otherwise);
    }

    /** Random letters, alike in every run. */
    private static byte[] letters(int count) {
        long state = 42;
        byte[] value = new byte[count];
        for (int i = 0; i < count; i++) {
            state = state * 6364136223846793005L + 1442695040888963407L;
            value[i] = (byte) ('A' + (state >>> 33) % 26);
        }
        return value;
    }
}
