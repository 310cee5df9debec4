// A client as Java makes them: it sends no certificate where the server announces CAs, and its own is not among them.
// Usage: java client.java URL KEYSTORE PASSWORD [PROTOCOL]; prints the status.
import java.io.FileInputStream;
import java.net.URI;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

class Client {
    public static void main(String[] args) throws Exception {
        char[] password = args[2].toCharArray();
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(args[1])) {
            keys.load(in, password);
        }
        KeyManagerFactory own = KeyManagerFactory.getInstance("PKIX");
        own.init(keys, password);
        TrustManager anybody = new X509TrustManager() {
            public void checkClientTrusted(X509Certificate[] chain, String type) {}
            public void checkServerTrusted(X509Certificate[] chain, String type) {}
            public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
        };
        SSLContext context = SSLContext.getInstance(args.length > 3 ? args[3] : "TLSv1.3");
        context.init(own.getKeyManagers(), new TrustManager[] {anybody}, null);
        HttpsURLConnection connection = (HttpsURLConnection) URI.create(args[0]).toURL().openConnection();
        connection.setSSLSocketFactory(context.getSocketFactory());
        connection.setHostnameVerifier((name, session) -> true);
        System.out.println("status " + connection.getResponseCode());
    }
}
