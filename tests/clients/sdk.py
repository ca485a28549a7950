"""The Python SDK, 1.x and 2.x: python sdk.py URL TOKEN"""
import asyncio
import json
import sys


async def version_1(url, headers):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with streamablehttp_client(url, headers=headers) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            return await talk(session)


async def version_2(url, headers):
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            return await talk(client)


async def talk(session):
    tools = await session.list_tools()
    result = await session.call_tool("echo", {"message": "hello"})
    return {"tools": [tool.name for tool in tools.tools], "said": result.content[0].text}


def main():
    from importlib.metadata import version

    url, token = sys.argv[1:]
    way = version_1 if version("mcp").startswith("1.") else version_2
    print(json.dumps(asyncio.run(way(url, {"Authorization": f"Bearer {token}"}))))


main()
