"""FastAPI: validation, coroutines and plain functions, dependencies."""
from fastapi import Depends, FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    name: str
    price: float


@app.get("/")
async def hello():
    return {"hello": "world"}


@app.get("/sync/{number}")
def sync(number: int, shift: int = Depends(lambda: 1)):
    return {"number": number + shift}


@app.post("/items")
async def items(item: Item):
    return item
