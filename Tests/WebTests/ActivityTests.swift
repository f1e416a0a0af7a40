import Testing

@testable import Web

@Suite("What counts as activity")
struct ActivityTests {
    @Test("nobody is quiet while a request is under way, and only behind the last of several")
    func underWay() {
        let activity = Activity()
        #expect(activity.begin("/api/events") && activity.begin("/api/profiles"))
        activity.end()
        #expect(activity.quiet == .zero)
        activity.end()
        let first = activity.quiet
        #expect(first > .zero)
        #expect(activity.quiet > first)
    }

    @Test("who measures or probes keeps nobody awake", arguments: ["/metrics", "/healthz", "/readyz"])
    func unobserved(path: String) {
        let activity = Activity()
        #expect(!activity.begin(path))
        #expect(activity.quiet > .zero)
    }
}
