"""A bare FastAPI application with one route: what a process of the framework costs to start."""

import os

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["BOTKEYS_PORT"]), log_level="warning")
