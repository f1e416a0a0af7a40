import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Kernel
import Logging
import Testing

@testable import Web

@Suite("Answers that are faults")
struct FaultMiddlewareTests {
    @Test("a HEAD has no body, whatever it is answered: it would be taken for the next answer")
    func heads() async throws {
        let router = WebRouter(context: WebContext.self)
        router.add(
            middleware: FaultMiddleware(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        router.on("things/:id", method: .head) { _, _ -> Response in
            throw Fault(.forbidden, doing: "show the thing", "it is not yours")
        }
        router.on("others", method: .post) { _, _ in WebResponse.empty() }
        router.refuseOtherMethods()
        try await Application(router: router).test(.router) { client in
            for (path, status) in [
                ("/things/1", HTTPResponse.Status.forbidden), ("/others", .methodNotAllowed),
                ("/nowhere", .notFound),
            ] {
                try await client.execute(uri: path, method: .head) { answer in
                    #expect(answer.status == status && answer.body.readableBytes == 0, "\(path)")
                    #expect(answer.headers[.contentType] == "application/problem+json", "\(path)")
                }
            }
            try await client.execute(uri: "/things/1", method: .get) { answer in
                #expect(answer.status == .methodNotAllowed && answer.body.readableBytes > 0)
            }
        }
    }
}
