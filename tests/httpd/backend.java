// An application in Tomcat, as docs/cookbook.md has it: it lets in whom the server in front has granted something.
// Usage: java -cp JARS backend.java PORT FOLDER
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.security.cert.X509Certificate;
import org.apache.catalina.startup.Tomcat;
import org.apache.catalina.valves.SSLValve;

class Backend {
    public static void main(String[] args) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(args[1]);
        tomcat.setPort(Integer.parseInt(args[0]));
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        tomcat.getHost().getPipeline().addValve(new SSLValve());
        var context = tomcat.addContext("", null);
        Tomcat.addServlet(context, "shop", new HttpServlet() {
            @Override
            protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
                var sent = (X509Certificate[]) request.getAttribute("jakarta.servlet.request.X509Certificate");
                String partner = request.getHeader("X-Partner");
                if (partner == null || sent == null) {
                    response.sendError(403);
                    return;
                }
                response.getWriter().print(partner + " " + sent[0].getSerialNumber().toString(16));
            }
        });
        context.addServletMappingDecoded("/shop/*", "shop");
        tomcat.start();
        tomcat.getServer().await();
    }
}
