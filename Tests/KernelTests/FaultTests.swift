import Foundation
import Kernel
import Testing

@Suite("Faults and secrets")
struct FaultTests {
    private struct Underneath: Error, CustomStringConvertible { let description = "the disk is on fire" }

    @Test("a fault reads as one sentence, with its field and its cause")
    func sentence() {
        let fault = Fault(
            .invalid, doing: "accept the event", "it is empty", field: "type", cause: Underneath())
        #expect("\(fault)" == "could not accept the event: it is empty (type): the disk is on fire")
        #expect("\(Fault(.gone, doing: "read it", "it is no more"))" == "could not read it: it is no more")
    }

    @Test("a fault about a part names its path from the whole")
    func path() {
        let fault = Fault(.invalid, doing: "do", "bad", field: "type", retryAfter: .seconds(3))
        #expect(fault.at("events[3]").field == "events[3].type")
        #expect(fault.at("events[3]").at("body").field == "body.events[3].type")
        #expect(Fault(.invalid, doing: "do", "bad").at("events").field == "events")
        #expect(Fault(.invalid, doing: "do", "bad", field: "[3].type").at("events").field == "events[3].type")
        #expect(fault.at("x").retryAfter == .seconds(3))
    }

    @Test("wrapping keeps a fault and hides what is no fault behind an internal one")
    func wrapping() {
        let fault = Fault(.conflict, doing: "do", "it is there")
        #expect(Fault.wrapping(fault, doing: "do more").code == .conflict)
        let wrapped = Fault.wrapping(Underneath(), doing: "do more")
        #expect(wrapped.code == .internal)
        #expect(!wrapped.detail.contains("fire"))
        #expect(wrapped.cause is Underneath)
    }

    @Test("a secret does not come out by printing, dumping or interpolating it, alone or inside of something")
    func secret() {
        struct Holder { let password = Secret("hunter2") }
        let secret = Secret("hunter2")
        var dumped = ""
        dump(secret, to: &dumped)
        dump(Holder(), to: &dumped)
        dump([secret], to: &dumped)
        let texts = [
            "\(secret)", String(describing: secret), String(reflecting: secret), "\(Holder())", "\([secret])",
            "\(Optional(secret) as Any)", String(reflecting: Holder()),
            "\(Mirror(reflecting: secret).children)",
            "\(Fault(.internal, doing: "log in with \(secret)", "no"))", dumped,
        ]
        for text in texts { #expect(!text.contains("hunter2"), "\(text)") }
        #expect(secret.reveal() == "hunter2")
        #expect(secret == Secret("hunter2") && secret != Secret("hunter3"))
    }
}
