import Contract
import HTTPTypes
import Hummingbird
import Kernel

extension Router where Context == WebContext {
    /// Answers 405, with the methods that are allowed, where a path is known and the method is not.
    ///
    /// Hummingbird by itself answers 404. To be called when all routes have been added.
    func refuseOtherMethods() {
        var allowed: [String: (path: RouterPath, methods: [HTTPRequest.Method])] = [:]
        for route in routes {
            allowed[route.path.description, default: (route.path, [])].methods.append(route.method)
        }
        let methods: [HTTPRequest.Method] =
            [.get, .head, .post, .put, .patch, .delete, .options, .trace]
            + [HTTPRequest.Method("QUERY")].compactMap { $0 }
        for (path, known) in allowed.values {
            let list = known.map(\.rawValue).sorted().joined(separator: ", ")
            for method in methods where !known.contains(method) {
                on(path, method: method) { request, context in
                    let fault = Fault(
                        .methodNotAllowed, doing: "\(request.method) \(request.uri.path)",
                        "this path answers \(list)")
                    var response = WebResponse.problem(fault, requestID: context.requestID)
                    response.headers[.allow] = list
                    return response
                }
            }
        }
    }
}
