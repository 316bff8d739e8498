import java.util.ArrayList;
import java.util.List;

/**
 * Keeps all sessions of a day on the heap, and so needs a larger heap for a
 * larger day: java -Xmx64m Sessions.java 150000
 */
public class Sessions {
    record Session(int user, byte[] pages) {}

    public static void main(String[] args) {
        int count = Integer.parseInt(args[0]);
        List<Session> day = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            day.add(new Session(i % 1000, new byte[1024]));
        }
        long bytes = 0;
        for (Session s : day) {
            bytes += s.pages().length;
        }
        System.out.println(count + " sessions, " + bytes + " bytes of pages");
    }
}
