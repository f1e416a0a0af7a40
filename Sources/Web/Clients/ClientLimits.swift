/// How long a server waits for the clients of its connections, and how many connections it has.
///
/// Whoever sends or reads too slowly gives back what he has taken of the server. The edge waits for heads
/// and bodies less long, so that it is the one to speak where a client stands still; these limits hold for
/// whoever reaches the server's socket, and for what the edge does not see: how fast a body comes.
public struct ClientLimits: Sendable {
    /// Connections at a time: twice as many as the edge lets one brand have requests. Others wait to be
    /// accepted.
    public var connections = 512
    /// From a connection, or from an answer, until the next request's head is whole. Clients close the
    /// connections that they keep after 60 seconds: what they send just before must not meet a closed one.
    public var head = Duration.seconds(75)
    /// Without anything of a body.
    public var silence = Duration.seconds(75)
    /// How long a body may take, and beside it a second for each `bytesPerSecond` of what has come.
    public var grace = Duration.seconds(90)
    /// How fast a body has to come on the whole.
    public var bytesPerSecond = 4096
    /// How long the rest of a body is taken, and dropped, when its request is answered before its end.
    public var rest = Duration.seconds(30)
    /// Without anything of an answer being seen to be taken. Of a unix socket the kernel tells once three
    /// quarters of its buffer are empty, so that a client has to read some 3 kB a second.
    public var reading = Duration.seconds(60)
    /// What `silence` and `reading` are once the server leaves: a stop does not wait for who stands still.
    public var farewell = Duration.seconds(5)
    /// How long anybody may send or read once the server leaves, at whatever pace: less long than the
    /// supervisor waits for its process.
    public var leaving = Duration.seconds(20)

    /// Those of the product.
    public init() {}
}
