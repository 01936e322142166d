import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import io.netty.channel.Channel;
import java.util.List;
import java.util.Objects;

/** mongo-java-server at a port of loopback, with its data in a file. */
public class Main {
    public static void main(String[] arguments) throws InterruptedException {
        int port = Integer.parseInt(arguments[0]);
        Backend backend = new Backend(arguments[1]);
        backend.version(new Version());
        MongoServer server = new MongoServer(backend);
        server.bind("127.0.0.1", port);
        // writes what is not yet in the file
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdown));
        Thread.currentThread().join();
    }

    /** Refuses, as MongoDB does and its parent does not, to make an index other than it is. */
    private static class Backend extends H2Backend {
        Backend(String file) {
            super(file);
        }

        @Override
        public Document handleCommand(Channel channel, String db, String command, Document query) {
            if (command.equals("createIndexes")) {
                Document list = new Document("listIndexes", query.get("createIndexes"));
                Document cursor =
                        (Document) super.handleCommand(channel, db, "listIndexes", list).get("cursor");
                for (Document there : documents(cursor.get("firstBatch"))) {
                    for (Document asked : documents(query.get("indexes"))) {
                        refuseIfOther(there, asked);
                    }
                }
            }
            return super.handleCommand(channel, db, command, query);
        }

        private static void refuseIfOther(Document there, Document asked) {
            if (!Objects.equals(there.get("name"), asked.get("name"))) {
                return;
            }
            for (String option : List.of("key", "unique", "expireAfterSeconds")) {
                if (!Objects.equals(there.get(option), asked.get(option))) {
                    String name = String.valueOf(asked.get("name"));
                    throw new MongoServerError(86, "IndexKeySpecsConflict", "other index " + name);
                }
            }
        }

        @SuppressWarnings("unchecked")
        private static Iterable<Document> documents(Object value) {
            return (Iterable<Document>) value;
        }
    }

    /** The versions that it knows speak a protocol that is too old for today's drivers. */
    private static class Version implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 13;
        }

        @Override
        public String toVersionString() {
            return "5.0.0";
        }
    }
}
